# Puts this folder beside the installed package's, so that nova.virt.capilab is found; all else comes from upstream.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
