"""The cluster itself: making it with kind, knowing whether it works, putting images into it."""
