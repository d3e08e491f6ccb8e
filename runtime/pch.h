// The one precompiled header: torch alone, which every file of the runtime and the runner includes.
#pragma once
#include <torch/library.h>
#include <torch/torch.h>
