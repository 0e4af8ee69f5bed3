"""DAVIS 2016 and 2017: videos with the masks of their objects."""
