"""Probe, fit, predict: the latency of vision transformers on one device.

What is named here needs neither torch nor timm; what does is imported by its module:
`latmodel.architectures` describes a timm model, `latmodel.runtimes` times one.
"""

from latmodel.catalogue import read_profile, shipped_profiles, write_profile
from latmodel.curve import Curve
from latmodel.probing import probe_curve
from latmodel.profile import DeviceProfile
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from latmodel.workloads import find_workload

__all__ = [
    "Curve",
    "DeviceProfile",
    "LatencyTable",
    "Workload",
    "find_workload",
    "probe_curve",
    "read_profile",
    "shipped_profiles",
    "write_profile",
]
