"""What is built here where nothing can be downloaded: Go programs, a Debian base, images, the node image."""
