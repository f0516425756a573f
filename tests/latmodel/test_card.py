from __future__ import annotations

import math

import pytest

from latmodel.card import Card
from latmodel.errors import ProfileError


@pytest.mark.parametrize(
    ("sms", "bandwidth", "peak", "message"),
    [
        (0, 320.0, 8141.0, "sms is 0: must be 1 or more"),
        (40, 0.0, 8141.0, "bandwidth_gb_s is 0.0: must be finite and above 0"),
        (40, math.nan, 8141.0, "bandwidth_gb_s is nan: must be finite and above 0"),
        (40, math.inf, 8141.0, "bandwidth_gb_s is inf: must be finite and above 0"),
        (40, 320.0, -1.0, "peak_gflops.fp32 is -1.0: must be finite and above 0"),
    ],
)
def test_what_no_data_sheet_says_is_refused(
    sms: int, bandwidth: float, peak: float, message: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        Card(sms=sms, bandwidth_gb_s=bandwidth, peak_gflops={"fp32": peak})
    assert str(caught.value) == message


def test_a_peak_may_be_unknown() -> None:
    assert Card(sms=40, bandwidth_gb_s=320.0).peak_gflops == {}
