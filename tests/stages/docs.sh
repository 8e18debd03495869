# The site of pages and reference; every public name must be documented.
packages=(doxygen doxygen-awesome-css python3)

run() { docs/build.sh; }
