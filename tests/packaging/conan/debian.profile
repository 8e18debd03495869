# Conan's packages are Debian's here: nothing is fetched.
include(default)

[settings]
compiler.cppstd=20
build_type=Debug

[platform_requires]
eigen/3.4.0
nlohmann_json/3.11.3
stb/cci.20230920

[conf]
tools.build:cxxflags=["-isystem", "/usr/include/eigen3", "-isystem", "/usr/include/stb"]
