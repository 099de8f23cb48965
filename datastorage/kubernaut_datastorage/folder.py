"""The folder of records on this machine."""

from pathlib import Path

__all__ = ["DATABASE", "data_folder"]

DATABASE = "records.db"
"""The file in that folder which holds the records, as an SQLite database."""


def data_folder(option: Path | None) -> Path:
    """Return the folder that a person named, or the platform's for a user's data."""
    if option is not None:
        return option
    import platformdirs  # noqa: PLC0415 – most commands do without

    return platformdirs.user_data_path("kubernaut")
