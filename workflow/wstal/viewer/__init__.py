"""A page that plays every test video with its timelines: one HTML file without dependencies.

Read content.py (what a page is made from, and the whole page as plain values), packing.py (the
proposals and curves of one video), page.py (template, style, script and data in one file), then
page.html, page.css and viewer.js with the scripts that it includes.

Imports only base, localize, evaluate and plots.
"""
