"""Segments to and from the files of annotation tools, subtitles and editors.

Read timelines.py (what every format is turned into, and what one loses), formats.py (the formats,
and which one a file has), then one kind of format: json_formats.py, label_studio.py,
xml_formats.py, text_formats.py.

Imports only base and datasets.
"""
