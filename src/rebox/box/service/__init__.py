"""What boxes that are asked by HTTP have in common.

::

    Service.request  images -> Request      one small file for each service
    Transport.send   Request -> Reply       once: no retry, no redirect
    Service.read     Reply -> rows, Faults  by name, never by position
    Sender.ask       waits, tries again, several requests at a time; reserves before each
"""

from rebox.box.service.contract import Service
from rebox.box.service.fault import Failure, Refusal, unreadable
from rebox.box.service.key import KEYS, HeaderKey, Key, NoKey
from rebox.box.service.labels import NamedService, Pairs, open_labels
from rebox.box.service.message import BEST_QUALITY, Reply, Request, picture_file, png, png_base64
from rebox.box.service.naming import numbers_of, row_of
from rebox.box.service.options import ServiceOptions
from rebox.box.service.price import PRICES, Price, price_of
from rebox.box.service.refund import Scout
from rebox.box.service.secret import Secret
from rebox.box.service.sending import Answer
from rebox.box.service.terms import Terms
from rebox.box.service.transport import (
    LOOPBACK,
    HttpTransport,
    Transport,
    host_of,
    is_here,
    place_of,
)

__all__ = [
    "BEST_QUALITY",
    "KEYS",
    "LOOPBACK",
    "PRICES",
    "Answer",
    "Failure",
    "HeaderKey",
    "HttpTransport",
    "Key",
    "NamedService",
    "NoKey",
    "Pairs",
    "Price",
    "Refusal",
    "Reply",
    "Request",
    "Scout",
    "Secret",
    "Service",
    "ServiceOptions",
    "Terms",
    "Transport",
    "host_of",
    "is_here",
    "numbers_of",
    "open_labels",
    "picture_file",
    "place_of",
    "png",
    "png_base64",
    "price_of",
    "row_of",
    "unreadable",
]
