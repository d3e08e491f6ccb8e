# cmake -DPTX=FILE -DEMBEDDED=FILE -DNAME=NAME -P embed_ptx.cmake: PTX, in place for every driver that knows the
# instructions in it (those of PTX 7.8, of CUDA 11.8), and as a C++ source with `extern const char NAME[]`.
# nvcc writes the version of its own release and a hint that older ones do not know.
file(READ "${PTX}" text)
string(REGEX REPLACE "\n\\.version [^\n]*" "\n.version 7.8" text "${text}")
string(REGEX REPLACE "\n[ \t]*\\.pragma \"used_bytes_mask [^\n]*" "" text "${text}")
file(WRITE "${PTX}" "${text}")
file(WRITE "${EMBEDDED}" "extern const char ${NAME}[] = R\"ptx(${text})ptx\";\n")
