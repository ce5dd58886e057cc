"""One module per public network, each with `build`, `features`, `MEAN` and `STD`.

networks/backbone.py says what these members are, and loads a module of this folder by its name.
"""
