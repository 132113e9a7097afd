"""Azure Custom Vision: a published iteration of a classification project.

``azure-custom-vision:PROJECT_ID/PUBLISHED_NAME?endpoint=https://NAME.cognitiveservices.azure.com``
with the tags' names in ``classes=a,b,c`` or ``labels=FILE``. The endpoint may stand in
``AZURE_CUSTOM_VISION_ENDPOINT``, the key in ``AZURE_CUSTOM_VISION_KEY``. The service keeps no image
unless ``store=true``; it ends on 25 September 2028.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import quote

from rebox.box.service import (
    Failure,
    HeaderKey,
    Price,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    place_of,
    png,
    unreadable,
)
from rebox.box.service.fault import check_size
from rebox.box.service.labels import NamedService, Pairs, pairs_in
from rebox.box.service.message import wait_s
from rebox.box.spec import Images
from rebox.errors import InvalidOption, QuotaSpent

ENDPOINT = "AZURE_CUSTOM_VISION_ENDPOINT"
LARGEST = 4_000_000  # bytes of an image
SIZE = (256, 256)  # the service enlarges what is smaller, and then it is not what was sent
PER_SECOND, PER_SECOND_STORED = 20.0, 10.0
# "rate limit of your current pricing tier ... retry after 1 second" is no quota
QUOTA = re.compile(
    r"quota|call volume|(hour|hourly|daily|monthly) limit|per (hour|day|month)", re.I
)
WAIT = re.compile(r"(?:retry|try again) (?:after|in) (\d+(?:\.\d+)?) ?s", re.I)

PRICE = Price(
    usd=0.002,
    source="Tsai, Chen and Ho, ICML 2020, appendix: $2 per 1000 transactions",
    as_of="2020",
)
KEY = HeaderKey(
    service="azure-custom-vision",
    variables=("AZURE_CUSTOM_VISION_KEY",),
    header="Prediction-Key",
    prefix="",
    hosts=(".api.cognitive.microsoft.com",),  # anybody can have a NAME.cognitiveservices.azure.com
    endpoint=ENDPOINT,
)


class AzureBox(NamedService):
    """A published iteration: classes are the names of the tags; one image in a request."""

    def request(self, images: Images) -> Request:
        """Return a request whose body is the file of the only image."""
        file = png(images[0])
        check_size(len(file), LARGEST, "PNG", "Azure")
        headers = {"Content-Type": "application/octet-stream", "Accept": "application/json"}
        return Request(url=self.url, content=file, headers=headers)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what the message says: whether a quota is spent, and for how long to wait."""
        if reply.status not in (403, 429):
            return None
        said = reply.said
        if QUOTA.search(said):
            words = f"Azure says that a quota is spent ({said})"
            return Failure(words, charged=False, error=QuotaSpent)
        asked = WAIT.search(said)
        if reply.status == 403 or asked is None or reply.retry_after_s is not None:
            return None
        words = f"Azure is asked too often ({said})"
        return Failure(words, retry=True, charged=False, after_s=wait_s(float(asked[1])))

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the tags with their probabilities."""
        answer = reply.json()
        tags = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(tags, list) or n != 1:
            raise Refusal(unreadable("the service answered without predictions"))
        return [pairs_in(tags, "tagName", "probability")]


def open_azure(
    target: str,
    *,
    endpoint: str | None = None,
    base_url: str | None = None,
    version: Literal["v3.0", "v3.1"] = "v3.0",
    store: bool = False,
    multilabel: bool = False,
    service: ServiceOptions,
    terms: Terms,
) -> AzureBox:
    """Open ``azure-custom-vision:PROJECT_ID/PUBLISHED_NAME``.

    Parameters
    ----------
    target : str
        The project's id and the name under which the iteration is published.
    endpoint, base_url : str or None
        The resource's address, by either name: the second is what every other service calls it.
    version : {"v3.0", "v3.1"}
        Of the interface.
    store : bool
        Whether the service keeps the images, for training.
    multilabel : bool
        Whether an image may have several tags, so that scores do not add up to 1.
    """
    project, slash, name = target.partition("/")
    if not (project and slash and name) or "/" in name:
        raise InvalidOption(
            f"expected azure-custom-vision:PROJECT_ID/PUBLISHED_NAME, found {target!r}."
        )
    url = endpoint or base_url or os.environ.get(ENDPOINT, "").strip()
    if not url:
        raise InvalidOption(
            f"the endpoint is not known: pass endpoint=https://... or set {ENDPOINT}."
        )
    per_second = PER_SECOND_STORED if store else PER_SECOND
    kept = "" if store else "/nostore"
    return AzureBox(
        spec=service.spec(
            scheme="azure-custom-vision",
            target=target,
            host=place_of(url),
            classes=service.names(),
            size=SIZE,
            sums_to_one=not multilabel,
        ),
        url=f"{url.rstrip('/')}/customvision/{version}/Prediction/{quote(project, safe='')}"
        f"/classify/iterations/{quote(name, safe='')}/image{kept}",
        terms=replace(terms, per_second=terms.per_second or per_second),
        key=service.key(KEY),
        verify=service.ca,
    )
