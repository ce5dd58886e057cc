"""Published features: one reader per layout of files, and the conversion into features.h5.

Read in this order: `published` (the settings of an import, and what every reader returns),
`per_video`, `joint` and `autoloc` (the readers), `layouts` (which reader an import uses, and what
to place where), `conversion` (matching of names, the common time grid, features.h5).
"""
