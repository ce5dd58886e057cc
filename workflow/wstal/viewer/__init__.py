"""A page that plays every test video with its timelines: one HTML file without dependencies.

Read content.py (what a page is made from, and the whole page as plain values), page.py
(template, style, script and the packed data of each video in one file), then page.html, page.css
and viewer.js with the scripts that it includes.

Imports only base, localize, evaluate and plots.
"""
