"""DAVIS 2016 and 2017: videos with object masks."""
