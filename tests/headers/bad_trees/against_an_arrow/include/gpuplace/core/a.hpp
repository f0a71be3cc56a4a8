#pragma once
#include <gpuplace/topology/b.hpp>
