"""A page that plays every test video with its timelines: one HTML file, nothing else needed."""
