// One line a task; registry.cpp lists them.
#pragma once

#include "experiments/tasks/task.h"

namespace luna::experiments {

TaskEntry image_entry();
TaskEntry listops_entry();
TaskEntry recall_entry();

}  // namespace luna::experiments
