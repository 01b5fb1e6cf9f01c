"""First content of Keystone, in one process without Keystone's API: roles, service users, the catalog, the project's user.

Reads one JSON object from stdin (passwords never travel in arguments) and writes one JSON object to stdout:
{"application_credential": {"id", "secret"}}. Safe to run again: what exists is left alone.
Upstream analogue: `keystone-manage bootstrap` (whose Bootstrapper it uses) and kolla-ansible's service-ks-register.
"""

import json
import sys
import uuid

import keystone.conf
from keystone.cmd import bootstrap
from keystone.common import driver_hints, provider_api
from keystone.server import configure

CONF = keystone.conf.CONF
PROVIDERS = provider_api.ProviderAPIs
DOMAIN = "default"


def user(name, password, project_id=None):
    try:
        found = PROVIDERS.identity_api.get_user_by_name(name, DOMAIN)
        return PROVIDERS.identity_api.update_user(found["id"], {"password": password})
    except keystone.exception.UserNotFound:
        return PROVIDERS.identity_api.create_user(
            {
                "name": name,
                "password": password,
                "domain_id": DOMAIN,
                "enabled": True,
                **({"default_project_id": project_id} if project_id else {}),
            }
        )


def project(name):
    try:
        return PROVIDERS.resource_api.get_project_by_name(name, DOMAIN)
    except keystone.exception.ProjectNotFound:
        made = {
            "id": uuid.uuid4().hex,
            "name": name,
            "domain_id": DOMAIN,
            "enabled": True,
            "description": "",
            "is_domain": False,
            "parent_id": DOMAIN,
        }
        return PROVIDERS.resource_api.create_project(made["id"], made)


def roles():
    return {role["name"]: role["id"] for role in PROVIDERS.role_api.list_roles(driver_hints.Hints())}


def role(name):
    if name not in roles():
        identifier = uuid.uuid4().hex
        PROVIDERS.role_api.create_role(identifier, {"id": identifier, "name": name, "domain_id": None})
    return roles()[name]


def grant(user_id, project_id, *names):
    for name in names:
        try:
            PROVIDERS.assignment_api.add_role_to_user_and_project(user_id, project_id, role(name))
        except keystone.exception.Conflict:
            pass


def endpoint(service_id, interface, url, region):
    for found in PROVIDERS.catalog_api.list_endpoints(driver_hints.Hints()):
        if found["service_id"] == service_id and found["interface"] == interface:
            if found["url"] != url:
                PROVIDERS.catalog_api.update_endpoint(found["id"], {"url": url})
            return
    identifier = uuid.uuid4().hex
    PROVIDERS.catalog_api.create_endpoint(
        identifier,
        {
            "id": identifier,
            "service_id": service_id,
            "interface": interface,
            "url": url,
            "region_id": region,
            "enabled": True,
        },
    )


def service(name, kind):
    for found in PROVIDERS.catalog_api.list_services(driver_hints.Hints()):
        if found["type"] == kind:
            return found["id"]
    identifier = uuid.uuid4().hex
    PROVIDERS.catalog_api.create_service(identifier, {"id": identifier, "name": name, "type": kind, "enabled": True})
    return identifier


def application_credential(user_id, project_id, name, role_names, secret):
    """Made anew each time: Keystone never tells a secret again, and a bootstrap that runs again lost it."""
    api = PROVIDERS.application_credential_api
    for found in api.list_application_credentials(user_id, driver_hints.Hints()):
        if found["name"] == name:
            api.delete_application_credential(found["id"])
    made = api.create_application_credential(
        {
            "id": uuid.uuid4().hex,
            "name": name,
            "user_id": user_id,
            "project_id": project_id,
            "secret": secret,
            "expires_at": None,
            "unrestricted": False,
            "roles": [{"id": role(role_name)} for role_name in role_names],
            "access_rules": [],
        }
    )
    return {"id": made["id"], "secret": secret}


def main():
    wanted = json.load(sys.stdin)
    configure(config_files=[wanted["config"]])
    site = bootstrap.Bootstrapper()
    site.admin_username, site.admin_password = "admin", wanted["adminPassword"]
    site.project_name, site.admin_role_name = "admin", "admin"
    site.region_id, site.service_name = wanted["region"], "keystone"
    identity = next(entry for entry in wanted["catalog"] if entry["type"] == "identity")
    site.public_url = identity["public"]
    site.internal_url = site.admin_url = identity["internal"]
    site.bootstrap()

    services = project("service")
    for entry in wanted["catalog"]:
        identifier = service(entry["name"], entry["type"])
        for interface, url in (
            ("public", entry["public"]),
            ("internal", entry["internal"]),
            ("admin", entry["internal"]),
        ):
            endpoint(identifier, interface, url, wanted["region"])
    for name in wanted["serviceUsers"]:
        made = user(name, wanted["servicePassword"], services["id"])
        grant(made["id"], services["id"], "admin", "service")

    tenant = project(wanted["project"])
    deployer = user(wanted["project"], wanted["userPassword"], tenant["id"])
    grant(deployer["id"], tenant["id"], *wanted["projectRoles"])
    admin = PROVIDERS.identity_api.get_user_by_name("admin", DOMAIN)
    grant(admin["id"], tenant["id"], "admin")
    credential = application_credential(
        deployer["id"], tenant["id"], wanted["project"], wanted["projectRoles"], wanted["credentialSecret"]
    )
    json.dump({"application_credential": credential, "project_id": tenant["id"]}, sys.stdout)


main()
