# SPDX-License-Identifier: Apache-2.0
# The message packages on PyPI export Python include folders of the image they were built in
# (/opt/python/cp3xx/include), and CMake stops on a folder that does not exist. Drop them: the
# generators add the real one by themselves. On a ROS host nothing matches.
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.21)
  get_directory_property(_imported IMPORTED_TARGETS)
  foreach(_target IN LISTS _imported)
    if(_target MATCHES "__rosidl_generator_py$")
      get_target_property(_folders ${_target} INTERFACE_INCLUDE_DIRECTORIES)
      if(_folders)
        list(FILTER _folders EXCLUDE REGEX "^/opt/python/")
        set_target_properties(${_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_folders}")
      endif()
    endif()
  endforeach()
endif()
