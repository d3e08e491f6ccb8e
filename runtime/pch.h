// The one precompiled header: torch alone, which every file of the runtime and the runner includes.
#pragma once
#include <torch/torch.h>
#include <torch/library.h>
