"""Chat models as boxes: they are shown a picture or a text with lettered options, and pick one.

::

    Wording     classes, prompt, order   -> the words of a question
    ChatService bodies, said, tokens     question and reply as JSON; `reading` reads what was said
    Opening     the options of a URI     -> a box, and others that differ in an option
    tokens      what is set aside, what is expected, what it did cost

``logprobs`` shows how probable each letter is; ``label`` and ``enum`` name a class; ``scores`` are
numbers that the model makes up, which are not calibrated: reading them by examples mends that.
"""

from rebox.box.chat.contract import ChatService
from rebox.box.chat.question import Chat
from rebox.box.chat.said import Said
from rebox.box.chat.tokens import TokenPrice
from rebox.box.chat.wording import Wording

__all__ = ["Chat", "ChatService", "Said", "TokenPrice", "Wording"]
