# Manual pages, and completions for bash and zsh. Each program writes its own from the options that its --help shows, so
# that they can't differ, and no copy has to be kept up to date. A cross-compiled program doesn't run here, so that there
# are none; those of a native build of the same version are the same.
if(CMAKE_CROSSCOMPILING OR NOT UNIX)
  message(STATUS "Without manual pages and completions: the programs that write them don't run here")
  return()
endif()

set(beit_manuals "${CMAKE_CURRENT_BINARY_DIR}/manuals")
file(MAKE_DIRECTORY "${beit_manuals}/man" "${beit_manuals}/bash" "${beit_manuals}/zsh")
set(kinds man bash zsh)
set(files)
foreach(program IN LISTS beit_programs)
  set(outputs "${beit_manuals}/man/${program}.1" "${beit_manuals}/bash/${program}" "${beit_manuals}/zsh/_${program}")
  set(commands)
  foreach(kind output IN ZIP_LISTS kinds outputs)
    list(APPEND commands COMMAND ${program} --generate ${kind} > "${output}")
  endforeach()
  add_custom_command(OUTPUT ${outputs} ${commands} DEPENDS ${program} COMMENT "Writing the manual of ${program}" VERBATIM)
  list(APPEND files ${outputs})
endforeach()
add_custom_target(beit_manuals ALL DEPENDS ${files})

if(BEIT_INSTALL)
  install(DIRECTORY "${beit_manuals}/man/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  install(DIRECTORY "${beit_manuals}/bash/" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  install(DIRECTORY "${beit_manuals}/zsh/" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" COMPONENT zsh)
  # Debian's zsh looks for those of packages in a folder of its own.
  install(
    DIRECTORY "${beit_manuals}/zsh/"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions"
    COMPONENT programs
    EXCLUDE_FROM_ALL)
endif()
