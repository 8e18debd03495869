"""A program that gets the library from Conan and classifies an image as timm does."""
import os

from conan import ConanFile
from conan.errors import ConanException
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class BeitTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False  # nothing beside this file
        toolchain.generate()

    def build(self):
        header_only = self.dependencies["beit"].options.header_only
        cmake = CMake(self)
        cmake.configure(variables={"BEIT_TARGET": "beit" if header_only else "compiled"})
        cmake.build()

    def test(self):
        if can_run(self):
            root = os.path.join(self.source_folder, "..", "..", "..")
            model = os.path.join(root, "tests", "golden", "model_standard.safetensors")
            image = os.path.join(root, "examples", "data", "chelsea.png")
            found = os.path.join(self.build_folder, "found.txt")
            self.run(f'"{os.path.join(self.cpp.build.bindir, "app")}" "{model}" "{image}" >"{found}"', env="conanrun")
            with open(found) as file:
                text = file.read()
            if not text.startswith("class 0, score 0.8086"):
                raise ConanException(f"found {text!r}, wanted class 0 with score 0.8086")
            self.output.info(text.strip())
