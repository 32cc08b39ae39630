from .file_system_probe import probe_file_system
from .identity import lost_mirror, refuse_other_root, refuse_other_writers
from .known_roots import KnownRoots, known_roots_path
from .manifests import MANIFESTS, ManifestFiles
from .publishing import Publication, Session
from .recorded_sums import RecordedSums
from .revisions import REVISIONS
from .staging import Part, Reservation
from .tree import Tree
from .unknown_files import FileWalk, abandoned_files, paths_of_nights
from .withdrawn import WITHDRAWN

__all__ = [
    "MANIFESTS",
    "REVISIONS",
    "WITHDRAWN",
    "FileWalk",
    "KnownRoots",
    "ManifestFiles",
    "Part",
    "Publication",
    "RecordedSums",
    "Reservation",
    "Session",
    "Tree",
    "abandoned_files",
    "known_roots_path",
    "lost_mirror",
    "paths_of_nights",
    "probe_file_system",
    "refuse_other_root",
    "refuse_other_writers",
]
