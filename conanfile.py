"""Recipe for Conan 2: conan create . --build=missing; -o "beit/*:header_only=False" adds the compiled library."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class Beit(ConanFile):
    name = "beit"
    description = "Header-only C++20 inference for BEiT vision transformers"
    license = "Apache-2.0"
    topics = ("deep-learning", "vision-transformer", "image-classification", "header-only")
    settings = "os", "arch", "compiler", "build_type"
    package_type = "library"
    options = {"header_only": [True, False], "shared": [True, False], "fPIC": [True, False]}
    default_options = {"header_only": True, "shared": False, "fPIC": True}
    implements = ["auto_header_only", "auto_shared_fpic"]
    exports_sources = ("CMakeLists.txt", "cmake/*", "include/*", "src/*", "LICENSE", "NOTICE", "examples/data/README.md")
    test_package_folder = "tests/packaging/conan"

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "include", "beit", "core", "version.hpp"))
        self.version = ".".join(re.findall(r"define BEIT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))

    def requirements(self):
        for reference in ("eigen/3.4.0", "nlohmann_json/3.11.3", "stb/cci.20230920"):
            self.requires(reference, transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["BEIT_BUILD_TESTS"] = False
        toolchain.cache_variables["BEIT_BUILD_EXAMPLES"] = False
        toolchain.cache_variables["BEIT_BUILD_COMPILED"] = not self.options.header_only
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        for licence in ("LICENSE", "NOTICE"):
            copy(self, licence, self.source_folder, os.path.join(self.package_folder, "licenses"))
        # Conan makes its own of what these have.
        rmdir(self, os.path.join(self.package_folder, "share"))
        for folder in ("cmake", "pkgconfig"):
            rmdir(self, os.path.join(self.package_folder, "lib", folder))

    def package_info(self):
        headers = self.cpp_info.components["headers"]
        headers.set_property("cmake_target_name", "beit::beit")
        headers.set_property("pkg_config_name", "beit")
        headers.bindirs = headers.libdirs = []
        # Without those that a profile says the system has.
        headers.requires = [f"{dependency.ref.name}::{dependency.ref.name}"
                            for dependency in self.dependencies.direct_host.values() if dependency.recipe != "Platform"]
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            headers.system_libs = ["pthread"]
        if self.settings.get_safe("os") == "Windows" and self.settings.get_safe("compiler") == "gcc":
            headers.cxxflags = ["-Wa,-muse-unaligned-vector-move"]
            headers.defines = ["BEIT_UNALIGNED_VECTOR_MOVES"]
        if not self.options.header_only:
            compiled = self.cpp_info.components["compiled"]
            compiled.set_property("cmake_target_name", "beit::compiled")
            compiled.set_property("pkg_config_name", "beit-compiled")
            compiled.libs = ["beit"]
            compiled.defines = ["BEIT_COMPILED"]
            compiled.requires = ["headers"]
