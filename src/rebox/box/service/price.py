"""What services cost, as far as it is published."""

from dataclasses import dataclass
from typing import Literal

from rebox.box.service.transport import is_here
from rebox.door import Door


@dataclass(frozen=True, kw_only=True)
class Price:
    """A price as somebody has stated it.

    Attributes
    ----------
    usd : float
        US dollars.
    source : str
        Who states it.
    as_of : str
        When: a year or a date.
    per : {"image", "hour"}
        What they pay for: an image, or an hour for which the model is kept ready.
    """

    usd: float
    source: str
    as_of: str
    per: Literal["image", "hour"] = "image"


PRICES = Door(
    "rebox.prices",
    "priced service",
    {
        "azure-custom-vision": "rebox.box.azure:PRICE",
        "clarifai": "rebox.box.clarifai:PRICE",
        "vertex": "rebox.box.vertex:PRICE",
    },
)
"""Prices by the scheme of the service."""


def price_of(uri: str) -> Price | None:
    """Return the price of the service that ``uri`` names; None: no price is known.

    The options ``price_usd`` and ``usd_per_hour`` of a URI go before it.
    """
    price: Price | None = PRICES.get(uri.partition(":")[0])
    return price


def usual_price_usd(scheme: str, url: str) -> float | None:
    """Return what a query of a service at ``url`` costs unless its URI says otherwise.

    None: nobody has told, and it may cost something. What runs on this machine and has no price is
    free.
    """
    price = price_of(f"{scheme}:")
    if price is not None:
        return price.usd if price.per == "image" else 0.0
    return 0.0 if is_here(url) else None


def usual_usd_per_hour(scheme: str) -> float:
    """Return what an hour of a service costs unless its URI says otherwise; most sell none."""
    price = price_of(f"{scheme}:")
    return price.usd if price is not None and price.per == "hour" else 0.0
