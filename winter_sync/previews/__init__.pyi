from .requests import PreviewCounts, PreviewFile
from .service import NoPreviewError, Previews, PreviewSettings

__all__ = [
    "NoPreviewError",
    "PreviewCounts",
    "PreviewFile",
    "PreviewSettings",
    "Previews",
]
