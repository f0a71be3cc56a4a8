#pragma once
/// @file
/// Everything of text/: tokenizers, chat templates and the settings beside them. Link gpuplace::text.

#include <gpuplace/text/chat_template.hpp>
#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>
#include <gpuplace/text/tokenizer_config.hpp>
