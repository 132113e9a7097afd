"""A fitted model behind HTTP: the Open Inference Protocol v2, and a plain ``POST /predict``."""

from rebox.serve.app import ModelService
from rebox.serve.contract import Servable, ServeLimits

__all__ = ["ModelService", "Servable", "ServeLimits"]
