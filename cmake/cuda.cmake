# NVIDIA GPUs: CUDA 13, cuDNN 9 and its header-only frontend, which `scripts/setup --cuda` puts into build/venv.
if(IMPASTO_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${IMPASTO_CUDA_ARCHITECTURES})
endif()
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake 3.25 does not know that nvcc has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
find_package(CUDAToolkit 13 REQUIRED)

file(GLOB venv_includes ${PROJECT_SOURCE_DIR}/build/venv/lib/python3*/site-packages/include)
find_path(IMPASTO_CUDNN_FRONTEND cudnn_frontend.h HINTS ${venv_includes} DOC "Folder of cudnn_frontend.h (PyPI: nvidia-cudnn-frontend)")
if(NOT IMPASTO_CUDNN_FRONTEND)
  message(FATAL_ERROR "cudnn_frontend.h was not found: run scripts/setup --cuda, or set IMPASTO_CUDNN_FRONTEND to its folder")
endif()
find_path(IMPASTO_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(IMPASTO_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)
