"""A torch module, or a torchvision or timm model by name, as a box."""

from rebox.errors import extra

with extra("torch", "a torch box"):
    import torch  # noqa: F401 - to say what is missing before the rest is imported

from rebox.box.torch.box import TorchBox, fingerprint, open_torch
from rebox.box.torch.model import ModuleOptions

__all__ = ["ModuleOptions", "TorchBox", "fingerprint", "open_torch"]
