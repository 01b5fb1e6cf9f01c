# Runs on the seed, from standard input: asks every public OpenStack API that the cluster's controllers use, with the
# credentials that they use. Prints one JSON object: {"problem": text} or {"endpoints": [{type, url, problem?}]}.
# argv: name of the cluster.
import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

# Service types that Cluster API's OpenStack provider, the cloud controller and Cinder's CSI driver need.
NEEDED = [
    ["compute"],
    ["image"],
    ["network"],
    ["load-balancer"],
    ["volumev3", "block-storage", "block-store", "volume"],
]
TIMEOUT = 15


def read_credentials(cluster):
    import yaml

    command = ["k3s", "kubectl", "get", "secret", cluster + "-cloud-credentials", "-n", "default", "-o", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("the credentials on the seed's k3s cannot be read: " + done.stderr.strip())
    data = json.loads(done.stdout)["data"]
    text = {key: base64.b64decode(value).decode() for key, value in data.items()}
    return yaml.safe_load(text["clouds.yaml"])["clouds"]["openstack"], text.get("cacert")


def tls(cacert):
    context = ssl.create_default_context()
    if cacert is not None:
        # From memory Python reads one certificate at a time only; a file may hold several.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(cacert)
            file.flush()
            os.chmod(file.name, 0o600)
            context.load_verify_locations(file.name)
    return context


def reason(error):
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "its certificate is not trusted: " + cause.verify_message
    if isinstance(cause, (TimeoutError, socket.timeout)):
        return "no answer within %d s" % TIMEOUT
    if isinstance(cause, socket.gaierror):
        return "its name does not resolve"
    return str(cause)


def main():
    cloud, cacert = read_credentials(sys.argv[1])
    context = tls(cacert)
    auth = cloud["auth"]
    identity = auth["auth_url"].rstrip("/")
    if not identity.endswith("/v3"):
        identity += "/v3"
    body = {
        "auth": {
            "identity": {
                "methods": ["application_credential"],
                "application_credential": {
                    "id": auth["application_credential_id"],
                    "secret": auth["application_credential_secret"],
                },
            }
        }
    }
    request = urllib.request.Request(
        identity + "/auth/tokens", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
            catalog = json.load(answer)["token"]["catalog"]
    except urllib.error.HTTPError as error:
        return {
            "endpoints": [
                {"type": "identity", "url": identity, "problem": "refuses the credentials: HTTP %d" % error.code}
            ]
        }
    except OSError as error:
        return {"endpoints": [{"type": "identity", "url": identity, "problem": reason(error)}]}

    interface = cloud.get("interface", "public").replace("URL", "")
    region = cloud.get("region_name")
    urls = {
        service["type"]: endpoint["url"]
        for service in catalog
        for endpoint in service["endpoints"]
        if endpoint["interface"] == interface and region in (None, endpoint["region_id"], endpoint["region"])
    }
    found = [{"type": "identity", "url": identity}]
    for types in NEEDED:
        url = next((urls[name] for name in types if name in urls), None)
        entry = {"type": types[0], "url": url}
        if url is None:
            entry["problem"] = "the catalog has no %s endpoint of it" % interface
        else:
            try:
                urllib.request.urlopen(url, timeout=TIMEOUT, context=context).close()
            except urllib.error.HTTPError:
                pass  # it answers, and asks for a token
            except OSError as error:
                entry["problem"] = reason(error)
        found.append(entry)
    return {"endpoints": found}


try:
    result = main()
except Exception as error:
    result = {"problem": str(error)}
json.dump(result, sys.stdout)
