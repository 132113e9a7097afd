"""Small torch networks that tests open as white boxes."""

import numpy as np
import torch

from rebox.study.baseline.whitebox import WhiteBox


def small_net(seed=0, *, classes=6, channels=3, norm=True, last=None):
    """A convolution, batch norm, a pool and two linear layers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8) if norm else torch.nn.Identity(),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 16),
        torch.nn.Tanh(),
        torch.nn.Linear(16, classes),
        last or torch.nn.Identity(),
    )


def small_whitebox(seed=0, *, size=12, dtype=torch.float32, **of_net):
    return WhiteBox.around(
        small_net(seed, **of_net).to(dtype),
        size=size,
        channels=of_net.get("channels", 3),
        preprocess="symmetric",
        untrained=lambda s: small_net(s, **of_net),
    )


def waves(n=90, size=6, seed=0):
    """Grey images of waves along one axis or the other, or of neither, with noise."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    wave = 0.5 + 0.4 * np.sin(np.arange(size) * np.pi / 1.5)
    pattern = np.stack([np.tile(wave, (size, 1)), np.tile(wave[:, None], (1, size)),
                        np.full((size, size), 0.5)])  # fmt: skip
    x = pattern[targets] + rng.normal(scale=0.1, size=(n, size, size))
    return x.clip(0, 1).astype(np.float32), np.array(["across", "down", "flat"])[targets]
