// The settings of a picture that is drawn again: --from.
#pragma once

#include "cli/generate_arguments.h"

namespace impasto::cli {

/// Sets the options as the picture of --from says; false when none was named. Warns of what it does not understand, and of what has to be named
/// again and was not. Throws as read_image does, and bad_file when the picture carries no settings.
bool take_settings_from_picture(GenerateArguments& arguments);

/// Warns where the picture was drawn by another model than this one.
void warn_of_other_model(const PictureArguments& arguments, const ModelInfo& model);

}  // namespace impasto::cli
