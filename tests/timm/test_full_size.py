"""Runs some of full_size.py: the largest architectures, and models without other tests here."""
import full_size


def check(figure, name, difference, deviation, bound):
    figure(f"{name}: largest difference {difference:.2e} of at most {bound:.0e}, deviation {deviation:.2f}")
    assert difference <= bound


def test_beit3(tmp_path, figure):
    tag = "beit3_base_patch16_224.in22k_ft_in1k"
    check(figure, tag, *full_size.timm_tag(tag, tmp_path), full_size.LOGITS_BOUND)


def test_large(tmp_path, figure):
    tag = "beitv2_large_patch16_224.in1k_ft_in22k_in1k"
    check(figure, tag, *full_size.timm_tag(tag, tmp_path), full_size.LOGITS_BOUND)


def test_other_sizes(tmp_path, figure):
    for size, arguments in full_size.SIZES[1:2] + full_size.SIZES[3:]:
        check(figure, f"{size} {arguments}", *full_size.image_size(size, arguments, tmp_path), full_size.LOGITS_BOUND)


def test_masked_image_model(tmp_path, figure):
    check(figure, "masked-image model", *full_size.masked(tmp_path), full_size.LOGITS_BOUND)


def test_tokenizer(tmp_path, figure):
    for half, difference, deviation, wrong in full_size.tokenizer(tmp_path):
        check(figure, half, difference, deviation, full_size.TOKENS_BOUND * deviation)
        assert wrong == 0


def test_tokenizer_of_beit_v2(tmp_path, figure):
    for half, difference, deviation, wrong in full_size.vqkd(tmp_path):
        bound = full_size.CODES_BOUND if half == "encoder" else full_size.FEATURES_BOUND
        check(figure, f"BEiT v2's {half}", difference, deviation, bound)
        assert wrong == 0


def test_demo_tokens(tmp_path, figure):
    wrong, tokens, gap = full_size.demo_tokens(1000, tmp_path)
    figure(f"demo tokenizer: {wrong} of {tokens} tokens differ, two best logits apart by at most {gap:.1e} deviations")
    assert wrong <= 1e-4 * tokens and gap <= full_size.TOKENS_BOUND
