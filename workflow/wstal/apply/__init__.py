"""A trained run applied to new video files, by the same stages that made its data."""
