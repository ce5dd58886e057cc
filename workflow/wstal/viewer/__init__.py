"""A page that plays every test video with its timelines: one HTML file without dependencies.

Read material.py (what a page is made from), entries.py and packing.py (one video as plain values),
content.py (the whole page as data), page.py (template, style, script and data in one file), then
page.html, page.css and viewer.js with the scripts that it includes.

Imports only base, localize, evaluate and plots.
"""
