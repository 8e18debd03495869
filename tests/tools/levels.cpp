// Prints the best level of kernels that BEIT_ISA and this processor allow, and all that can be used here:
//   best level: avx2
//   levels: portable,avx2
#include <iostream>

#include <beit/cpu/isa.hpp>

int main() {
  std::cout << "best level: " << beit::isa_name(beit::select_isa()) << "\nlevels: ";
  const char* comma = "";
  for (const beit::Level& level : beit::levels) {
    if (!beit::has_isa(level.isa) || !beit::permit_isa(level.isa)) continue;
    std::cout << comma << level.name;
    comma = ",";
  }
  std::cout << '\n';
}
