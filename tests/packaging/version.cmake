# cmake -DSOURCE=... -DVERSION=MAJOR.MINOR.PATCH -P version.cmake: checks that files that can't read version.hpp agree
# with it.
cmake_policy(VERSION 3.21)

# The first match of the expression's group in the file.
function(read_fact out file expression)
  file(READ "${SOURCE}/${file}" text)
  if(NOT text MATCHES "${expression}")
    message(FATAL_ERROR "${file} has no ${expression}")
  endif()
  set(${out} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

function(expect what found wanted)
  if(NOT found STREQUAL wanted)
    message(SEND_ERROR "${what} says ${found}, wanted ${wanted}")
  endif()
endfunction()

string(REGEX MATCH "^[0-9]+\\.[0-9]+" minor "${VERSION}")
read_fact(readme README.md "find_package\\(beit ([0-9.]+) ")
expect("README.md, in find_package," "${readme}" "${minor}")

# The newest release of the changelog, which has a date.
read_fact(released CHANGELOG.md "\n## \\[([0-9]+\\.[0-9]+\\.[0-9]+)\\] - 20[0-9][0-9]-[01][0-9]-[0-3][0-9]\n")
expect(CHANGELOG.md "${released}" "${VERSION}")
read_fact(date CHANGELOG.md "\n## \\[[0-9.]+\\] - ([0-9-]+)\n")

read_fact(cited CITATION.cff "\nversion: ([0-9.]+)\n")
expect(CITATION.cff "${cited}" "${VERSION}")
read_fact(cited_date CITATION.cff "\ndate-released: ([0-9-]+)\n")
expect("CITATION.cff, in date-released," "${cited_date}" "${date}")

read_fact(image examples/cluster/embed.k8s.yaml "/beit:([0-9.]+)\n")
expect("examples/cluster/embed.k8s.yaml, in image," "${image}" "${VERSION}")

file(READ "${SOURCE}/packaging/vcpkg/ports/beit/vcpkg.json" port)
string(JSON port GET "${port}" version)
expect("vcpkg's port" "${port}" "${VERSION}")
