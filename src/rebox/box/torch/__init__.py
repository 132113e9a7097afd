"""A torch module, or a torchvision or timm model by name, as a box."""

from rebox.errors import MissingExtra

try:
    import torch  # noqa: F401 - to say what is missing before the rest is imported
except ImportError as error:
    raise MissingExtra(
        "a torch box needs PyTorch, which is not installed: pip install 'rebox[torch]'."
    ) from error

from rebox.box.torch.box import TorchBox, fingerprint, open_torch
from rebox.box.torch.model import NamedModel, named_model

__all__ = ["NamedModel", "TorchBox", "fingerprint", "named_model", "open_torch"]
