"""What an error of a chat model means beyond its status."""

import json
from collections.abc import Sequence
from typing import Protocol

from rebox.box.chat.dialect import TOO_LONG, FieldRefused, error_in, field_refused
from rebox.box.service import Failure, Reply
from rebox.errors import QuotaSpent

FILTERED = ("content_filter", "ResponsibleAIPolicyViolation", "content_policy_violation")
UNPAID = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
CUT = ("output limit was reached", "higher max_tokens")  # of models that think before they answer


class Nothing(Protocol):
    """Makes the fault of a question that has no answer."""

    def __call__(self, words: str, *, charged: bool = True) -> Failure:
        """Return the fault, with what stands for an answer."""


def fault_of(reply: Reply, sent: Sequence[str], nothing: Nothing) -> Failure | None:
    """Return what an error means; None: what its status says.

    Parameters
    ----------
    reply : Reply
    sent : sequence of str
        Fields of the request that can be left out.
    nothing : callable
        What becomes of a question that this model will never answer.

    Raises
    ------
    FieldRefused
        The question can be asked again without one of its fields.
    """
    if 200 <= reply.status < 300:
        return None
    error = error_in(reply)
    if {str(error.get(name)) for name in ("code", "type")} & {*UNPAID}:
        words = f"the account at the service is spent ({reply.said})"
        return Failure(words, charged=False, error=QuotaSpent)
    if reply.status in (400, 403, 422) and any(one in json.dumps(error) for one in FILTERED):
        return nothing(f"a filter of the service refused the question ({reply.said})")
    if name := field_refused(reply, sent):
        raise FieldRefused(name, f"the service answered {reply.status} ({reply.said})")
    if reply.status == 400 and any(words in reply.said for words in CUT):
        return nothing(
            f"the model was cut before it answered ({reply.said}): give more max_tokens="
        )
    if reply.status in (400, 422) and TOO_LONG.search(reply.said):
        words = f"the question is too long for the model ({reply.said})"
        return nothing(words, charged=False)
    return None
