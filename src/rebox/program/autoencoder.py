"""Training an autoencoder on unlabelled pictures, before anybody is asked (AutoZOOM, sec. 3.3)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rebox.errors import extra
from rebox.program.codec import STAGES, Codec, Layer

with extra("torch", "training an autoencoder"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

WIDTH = 16  # channels within: as in the released nets
STEPS, BATCH, LEARNING_RATE = 1500, 32, 2e-3
MOST = 2000  # pictures


def train_codec(pictures: NDArray[np.float32], seed: int) -> Codec:
    """Return nets that make pictures small and large again, by the mean square error of pixels.

    The same pictures and seed give the same bytes on the same kind of processor: one thread does
    it, as sums in another order differ.

    Parameters
    ----------
    pictures : (n, 4 side, 4 side, channels) float32 in [0, 1]
    seed : int
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            nets = _trained(torch.from_numpy(np.moveaxis(pictures, 3, 1).copy()), seed)
    finally:
        torch.set_num_threads(threads)
    encoder, decoder = map(_layers, nets)
    channels = pictures.shape[3]
    still = Codec(
        encoder=encoder,
        decoder=decoder,
        mean=np.zeros(channels, np.float32),
        spread=np.ones(channels, np.float32),
    )
    codes = still.encode(pictures)
    spread = np.maximum(codes.std(axis=(0, 1, 2)), 1e-6)
    return replace(still, mean=codes.mean(axis=(0, 1, 2)), spread=spread).scaled(codes.shape[1])


def _trained(pictures: Tensor, seed: int) -> tuple[nn.Sequential, nn.Sequential]:
    channels = pictures.shape[1]
    shrinking: list[nn.Module] = []
    growing: list[nn.Module] = []
    for stage in range(STAGES):
        given = WIDTH if stage else channels
        shrinking += [nn.Conv2d(given, WIDTH, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        growing += [nn.Conv2d(given, WIDTH, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)]
    encoder = nn.Sequential(*shrinking, nn.Conv2d(WIDTH, channels, 3, padding=1))
    decoder = nn.Sequential(*growing, nn.Conv2d(WIDTH, channels, 3, padding=1))
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    rng = np.random.default_rng([seed, len(pictures)])
    for _ in range(STEPS):
        batch = pictures[torch.from_numpy(rng.integers(len(pictures), size=BATCH))]
        loss = functional.mse_loss(decoder(encoder(batch)), batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        optimiser.step()
    return encoder, decoder


def _layers(net: nn.Sequential) -> tuple[Layer, ...]:
    """Return the convolutions of ``net``, kernels by height, width, channels in and out."""
    return tuple(
        Layer(
            np.ascontiguousarray(layer.weight.detach().numpy().transpose(2, 3, 1, 0)),
            layer.bias.detach().numpy().copy(),
        )
        for layer in net
        if isinstance(layer, nn.Conv2d) and layer.bias is not None
    )
