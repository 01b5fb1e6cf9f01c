"""Nova virt driver of the lab: compute_driver = capilab.LabDriver."""

from nova.virt.capilab.driver import LabDriver

__all__ = ["LabDriver"]
