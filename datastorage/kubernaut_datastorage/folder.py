"""Where records are on this machine, unless a person says otherwise."""

from pathlib import Path

__all__ = ["data_folder"]


def data_folder(option: Path | None) -> Path:
    """Return the folder that a person named, or the platform's for a user's data."""
    import platformdirs  # noqa: PLC0415 – most commands do without

    return option if option is not None else platformdirs.user_data_path("kubernaut")
