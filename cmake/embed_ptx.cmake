# cmake -DPTX=FILE -DEMBEDDED=FILE -DNAME=NAME [-DLAUNCH=FUNCTION] -P embed_ptx.cmake: PTX, in place for every driver that
# knows the instructions in it (those of PTX 7.8, of CUDA 11.8), and as a C++ source with `extern const char
# luna_ptx_NAME[]`; LAUNCH: and NAME_argv, the pipeline that is launched by that function.
# nvcc writes the version of its own release and a hint that older ones do not know.
file(READ "${PTX}" text)
string(REGEX REPLACE "\n\\.version [^\n]*" "\n.version 7.8" text "${text}")
string(REGEX REPLACE "\n[ \t]*\\.pragma \"used_bytes_mask [^\n]*" "" text "${text}")
file(WRITE "${PTX}" "${text}")
set(module "extern const char luna_ptx_${NAME}[]")
set(pipeline "")
if(LAUNCH)
  set(pipeline "extern \"C\" int ${LAUNCH}(void** arguments, const char* module);
extern \"C\" int ${NAME}_argv(void** arguments) { return ${LAUNCH}(arguments, luna_ptx_${NAME}); }\n")
endif()
file(WRITE "${EMBEDDED}" "${module};\n${module} = R\"ptx(${text})ptx\";\n${pipeline}")
