"""A fitted model as one ONNX file, which runs without rebox."""

from rebox.export.export import Exported, export_onnx

__all__ = ["Exported", "export_onnx"]
