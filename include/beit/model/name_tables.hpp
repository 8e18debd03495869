// The names under which publishers store parameters, a table each. weights_tools/name_tables.py reads this file, too.
#pragma once

#include <beit/core/version.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The names beside the blocks, and of heads, in all versions of transformers.
inline constexpr NameRow transformers_rows[]{
    {"cls_token", {"embeddings.cls_token"}},
    {"mask_token", {"embeddings.mask_token"}},
    {"pos_embed", {"embeddings.position_embeddings"}},
    {"patch_embed.proj.", {"embeddings.patch_embeddings.projection."}},
    {"fc_norm.", {"pooler.layernorm."}},
    {"norm.", {"layernorm."}},
    {"norm.", {"layernorm."}, true},
    {"lm_norm.", {"layernorm."}, true},  // if the trunk has a norm, too
    {"head.", {"classifier."}, true},
};

/// The blocks of BeitModel as transformers 5 has them in memory, and so of every state_dict() that is saved.
inline constexpr NameRow transformers_memory_rows[]{
    {"blocks.*.norm1.", {"layers.*.layernorm_before."}},
    {"blocks.*.norm2.", {"layers.*.layernorm_after."}},
    {"blocks.*.gamma_1", {"layers.*.lambda_1"}},
    {"blocks.*.gamma_2", {"layers.*.lambda_2"}},
    {"blocks.*.attn.qkv.weight",
     {"layers.*.attention.q_proj.weight", "layers.*.attention.k_proj.weight", "layers.*.attention.v_proj.weight"}},
    {"blocks.*.attn.q_bias", {"layers.*.attention.q_proj.bias"}},
    {"blocks.*.attn.v_bias", {"layers.*.attention.v_proj.bias"}},
    {"blocks.*.attn.relative_position_bias_table", {"layers.*.relative_position_bias.relative_position_bias_table"}},
    {"blocks.*.attn.proj.", {"layers.*.attention.o_proj."}},
    {"blocks.*.mlp.", {"layers.*.mlp."}},
    {"rel_pos_bias.", {"shared_position_bias."}},
    {"fpn1.0.", {"fpn.fpn1.conv_transpose1."}, true},
    {"fpn1.1.", {"fpn.fpn1.normalization."}, true},
    {"fpn1.3.", {"fpn.fpn1.conv_transpose2."}, true},
    {"fpn2.0.", {"fpn.fpn2."}, true},
    {"decode_head.psp_modules.*.1.conv.", {"decode_head.psp_modules.blocks.*.conv.convolution."}, true},
    {"decode_head.psp_modules.*.1.bn.", {"decode_head.psp_modules.blocks.*.conv.normalization."}, true},
    {"decode_head.bottleneck.conv.", {"decode_head.psp_bottleneck.convolution."}, true},
    {"decode_head.bottleneck.bn.", {"decode_head.psp_bottleneck.normalization."}, true},
    {"decode_head.lateral_convs.*.conv.", {"decode_head.lateral_convs.*.convolution."}, true},
    {"decode_head.lateral_convs.*.bn.", {"decode_head.lateral_convs.*.normalization."}, true},
    {"decode_head.fpn_convs.*.conv.", {"decode_head.fpn_convs.*.convolution."}, true},
    {"decode_head.fpn_convs.*.bn.", {"decode_head.fpn_convs.*.normalization."}, true},
    {"decode_head.fpn_bottleneck.conv.", {"decode_head.fpn_bottleneck.convolution."}, true},
    {"decode_head.fpn_bottleneck.bn.", {"decode_head.fpn_bottleneck.normalization."}, true},
};
inline constexpr NameTable transformers_memory_names{"layers.0.attention.q_proj.weight", transformers_memory_rows,
                                                     transformers_rows};

/// The blocks of BeitModel and Data2VecVisionModel as save_pretrained writes them, and as transformers 4 has them.
inline constexpr NameRow transformers_file_rows[]{
    {"blocks.*.norm1.", {"encoder.layer.*.layernorm_before."}},
    {"blocks.*.norm2.", {"encoder.layer.*.layernorm_after."}},
    {"blocks.*.gamma_1", {"encoder.layer.*.lambda_1"}},
    {"blocks.*.gamma_2", {"encoder.layer.*.lambda_2"}},
    {"blocks.*.attn.qkv.weight",
     {"encoder.layer.*.attention.attention.query.weight", "encoder.layer.*.attention.attention.key.weight",
      "encoder.layer.*.attention.attention.value.weight"}},
    {"blocks.*.attn.q_bias", {"encoder.layer.*.attention.attention.query.bias"}},
    {"blocks.*.attn.v_bias", {"encoder.layer.*.attention.attention.value.bias"}},
    {"blocks.*.attn.relative_position_bias_table",
     {"encoder.layer.*.attention.attention.relative_position_bias.relative_position_bias_table"}},
    {"blocks.*.attn.proj.", {"encoder.layer.*.attention.output.dense."}},
    {"blocks.*.mlp.fc1.", {"encoder.layer.*.intermediate.dense."}},
    {"blocks.*.mlp.fc2.", {"encoder.layer.*.output.dense."}},
    {"rel_pos_bias.", {"encoder.relative_position_bias."}},
};
inline constexpr NameTable transformers_file_names{"embeddings.cls_token", transformers_file_rows, transformers_rows};

/// The names of mmpretrain's BEiT classifiers and pre-training, and of mmsegmentation's models.
inline constexpr NameRow mmpretrain_rows[]{
    {"blocks.*.norm1.", {"layers.*.ln1."}},
    {"blocks.*.norm2.", {"layers.*.ln2."}},
    {"blocks.*.mlp.fc1.", {"layers.*.ffn.layers.0.0."}},
    {"blocks.*.mlp.fc2.", {"layers.*.ffn.layers.1."}},
    {"blocks.*.", {"layers.*."}},
    {"patch_embed.proj.", {"patch_embed.projection."}},
    {"norm.", {"ln1."}},
    {"norm.", {"neck.norm."}, true},  // BEiT v2's pre-training
    {"fc_norm.", {"ln2."}},
    {"head.", {"head.fc."}, true},
    {"lm_head.", {"head.cls_head."}, true},
    {"fpn1.", {"neck.upsample_4x."}, true},
    {"fpn2.", {"neck.upsample_2x."}, true},
    {"decode_head.classifier.", {"decode_head.conv_seg."}, true},
    {"", {"neck.patch_aggregation.", "neck.rel_pos_bias.", "target_generator."}, true},  // of pre-training alone
};
inline constexpr NameTable mmpretrain_names{"layers.0.ln1.weight", mmpretrain_rows};

/// The names of candle's BEiT. The bias of qkv is whole. timm's BEiT-3 has the marker, too, but no tables.
inline constexpr NameRow candle_rows[]{
    {"blocks.*.gamma_1", {"blocks.*.ls1.gamma"}},
    {"blocks.*.gamma_2", {"blocks.*.ls2.gamma"}},
    {"fc_norm.", {"norm."}},
};
inline constexpr NameTable candle_names{
    "blocks.0.ls1.gamma", candle_rows, {}, "blocks.0.attn.relative_position_bias_table"};

/// The names of BEiT-3 as Microsoft published it. Of its two sides, A is for images and B for text.
inline constexpr NameRow beit3_rows[]{
    {"blocks.*.norm1.", {"encoder.layers.*.self_attn_layer_norm.A."}},
    {"blocks.*.norm2.", {"encoder.layers.*.final_layer_norm.A."}},
    {"blocks.*.attn.qkv.weight",
     {"encoder.layers.*.self_attn.q_proj.A.weight", "encoder.layers.*.self_attn.k_proj.A.weight",
      "encoder.layers.*.self_attn.v_proj.A.weight"}},
    {"blocks.*.attn.qkv.bias",
     {"encoder.layers.*.self_attn.q_proj.A.bias", "encoder.layers.*.self_attn.k_proj.A.bias",
      "encoder.layers.*.self_attn.v_proj.A.bias"}},
    {"blocks.*.attn.norm.", {"encoder.layers.*.self_attn.inner_attn_ln.A."}},
    {"blocks.*.attn.proj.", {"encoder.layers.*.self_attn.out_proj.A."}},
    {"blocks.*.mlp.fc1.", {"encoder.layers.*.ffn.A.fc1."}},
    {"blocks.*.mlp.fc2.", {"encoder.layers.*.ffn.A.fc2."}},
    {"blocks.*.mlp.norm.", {"encoder.layers.*.ffn.A.ffn_layernorm."}},
    {"norm.", {"encoder.layer_norm.A."}},
    {"pos_embed", {"encoder.embed_positions.A.weight"}, false, 2},
    {"cls_token", {"vision_embed.cls_token"}},
    {"patch_embed.proj.", {"vision_embed.proj."}},
    {"",
     {"encoder.layers.*.self_attn.q_proj.B.", "encoder.layers.*.self_attn.k_proj.B.",
      "encoder.layers.*.self_attn.v_proj.B."}},
    {"", {"encoder.layers.*.self_attn.out_proj.B.", "encoder.layers.*.self_attn.inner_attn_ln.B."}},
    {"",
     {"encoder.layers.*.self_attn_layer_norm.B.", "encoder.layers.*.final_layer_norm.B.", "encoder.layers.*.ffn.B."}},
    {"", {"encoder.layer_norm.B.", "encoder.embed_positions.B.", "text_embed."}},
    {"", {"vision_embed.mask_token"}},
    {"", {"mlm_head.", "mim_head."}, true},
    {"", {"language_head.", "logit_scale"}, true},
};
inline constexpr NameTable beit3_names{"encoder.layers.0.self_attn.q_proj.A.weight", beit3_rows};

/// The names that timm's VisionTransformer, and so BEiT-3 there, has for what timm's Beit calls otherwise, and that of
/// the last layer of Microsoft's segmentation models.
inline constexpr NameRow timm_rows[]{
    {"blocks.*.gamma_1", {"blocks.*.ls1.gamma"}},
    {"blocks.*.gamma_2", {"blocks.*.ls2.gamma"}},
    {"decode_head.classifier.", {"decode_head.conv_seg."}, true},
};

/// The names that are ours, timm's Beit's, which those of Microsoft's BEiT and BEiT v2 are, and those of BEiT-3 in
/// timm.
inline constexpr NameTable timm_names{"cls_token", timm_rows};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
