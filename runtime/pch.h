// The one precompiled header: ATen alone, which every file of the runtime includes. All of torch.h
// makes it twice as large and every file slower than without it; files that need more of torch
// include that header.
#pragma once
#include <ATen/ATen.h>
