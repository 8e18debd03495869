# The site of the pages and the reference, every public name documented.
packages=(doxygen doxygen-awesome-css python3)

run() { docs/build.sh; }
